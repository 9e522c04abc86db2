"""The operator's logo on printable sheets."""

# The library's types are known in part.
# pyright: reportUnknownMemberType=false

import io
from pathlib import Path
from typing import Any, NoReturn, cast

from PIL import ExifTags, Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text

DRAWN_PIXELS_MAX = (1200, 1200)
"""Maximum width and height as drawn; more than a printer can show on a card."""
READ_PIXELS_MAX = 50_000_000
"""Maximum number of pixels before it is made smaller, enough for a photograph. Reading takes some 200 MB."""
READ_BYTES_MAX = 50_000_000
_SIXTEEN_BITS = 0xFFFF
_UPRIGHT = 1
# Errors that the library raises for broken files.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, MemoryError)


def read_logo(path: Path) -> Image.Image:
    """Return the logo, a PNG or JPEG, upright and no larger than a card needs.

    Raises:
        Invalid: it cannot be used; the message says why.
    """
    try:
        if not path.is_file():
            _refuse("logo.no_file", path=path)
        if path.stat().st_size > READ_BYTES_MAX:
            _refuse("logo.too_large", path=path, megabytes_max=READ_BYTES_MAX // 1_000_000)
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            if image.width * image.height > READ_PIXELS_MAX:
                _refuse(
                    "logo.too_many_pixels",
                    path=path,
                    width=image.width,
                    height=image.height,
                    enough=DRAWN_PIXELS_MAX[0],
                )
            # A JPEG can be scaled down while it is decoded.
            image.draft(None, DRAWN_PIXELS_MAX)
            return _drawable(image)
    except Image.DecompressionBombError:
        _refuse("logo.bomb", path=path, enough=DRAWN_PIXELS_MAX[0])
    except UnidentifiedImageError:
        _refuse("logo.no_picture", path=path)
    except _BROKEN as error:
        _refuse("logo.broken", path=path, why=error)


def _refuse(key: str, **values: object) -> NoReturn:
    raise Invalid([FieldError("logo", field_text(key, **values))])


def _drawable(image: Image.Image) -> Image.Image:
    """Return the picture upright and in a colour mode that PDF supports."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    picture = _in_colours(image)
    picture.thumbnail(DRAWN_PIXELS_MAX)
    picture.getexif()[ExifTags.Base.Orientation] = orientation
    # Phones and cameras store the picture unrotated, and the rotation in EXIF.
    return ImageOps.exif_transpose(picture)


def _in_colours(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_sixteen_bits(image)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    return image.convert("RGBA")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    """Convert 16-bit grey. A plain conversion would clip at 255: all white."""
    transparent_level = image.info.get("transparency")
    wide = image.convert("I")
    grey = wide.point(lambda level: level * (255 / _SIXTEEN_BITS)).convert("L")
    shown = grey.convert("RGBA")
    if isinstance(transparent_level, int):
        lighter = wide.point(lambda level: level - transparent_level).convert("L")
        darker = wide.point(lambda level: level * -1 + transparent_level).convert("L")
        shown.putalpha(ImageChops.lighter(lighter, darker).point(lambda level: 255 if level else 0))
    return shown


def _from_cmyk(image: Image.Image) -> Image.Image:
    """Convert CMYK, with the picture's colour profile if it has one."""
    profile = image.info.get("icc_profile")
    if profile:
        srgb: Any = cast("Any", ImageCms).createProfile("sRGB")
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                srgb,
                outputMode="RGB",
            )
        except ImageCms.PyCMSError:
            converted = None
        if converted is not None:
            return converted.convert("RGBA")
    return image.convert("RGBA")
