"""How a batch is named, and what is said of one that there is not."""

import re

from premade.base.errors import NotFound

BATCH_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class BatchUnknown(NotFound):
    """There is no batch of this id, or it is another partner's; which of the two is not told."""

    code = "BATCH_UNKNOWN"
    title = "There is no such batch"
    remedy = "Check the batch_id against what you generated."


def is_batch_id(text: str) -> bool:
    """Whether a batch could have this id."""
    return BATCH_ID.fullmatch(text) is not None


def batch_unknown(batch_id: str) -> BatchUnknown:
    """Worded the same whether there is none or it is another partner's."""
    if not is_batch_id(batch_id):
        return BatchUnknown("That is no batch_id; one looks like BATCH_2025_Q1_001.")
    return BatchUnknown(f"There is no batch {batch_id} among yours.")
