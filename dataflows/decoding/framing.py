"""The frame that a schema registry's serializers put before a value: a zero byte and the schema's id in four bytes, big-endian."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataflows.decoding.decoded import RawRows

FRAME = 5
"""Bytes of a frame."""


def schema_id(raw: bytes) -> int | None:
    """The schema's id of a framed value, None where it is not framed.

    >>> schema_id(bytes([0, 0, 0, 1, 2, 65]))
    258
    """
    return int.from_bytes(raw[1:FRAME], "big") if len(raw) >= FRAME and raw[0] == 0 else None


def without_frames(rows: RawRows) -> RawRows:
    """A log's records of text without their frames: no text begins with a zero byte. Rows of files have none."""
    if rows.timestamps is None or not len(rows):
        return rows
    framed = (rows.data[np.minimum(rows.start, len(rows.data) - 1)] == 0) & (rows.stop - rows.start >= FRAME)
    return replace(rows, start=np.where(framed, rows.start + FRAME, rows.start)) if framed.any() else rows


def without_frame(raw: bytes) -> bytes:
    """A record of text without its frame."""
    return raw[FRAME:] if schema_id(raw) is not None else raw
