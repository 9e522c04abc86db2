"""What all pages share: the frame, the style, the icons, and parts of pages."""
