"""Parquet files, through pyarrow."""

from __future__ import annotations

import io

import pandas as pd

from ..errors import CxError


def read(content: bytes, name: str) -> pd.DataFrame:
    """Parse the bytes of a Parquet file.

    Raises
    ------
    CxError
        The file is damaged, or has no rows.
    """
    import pyarrow as pa

    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CxError(
            "the Parquet file is damaged",
            got=f"{name}: {error}",
            want="a whole Parquet file",
            do="copy or write it again",
        ) from error
    if frame.empty:
        raise CxError("the data file has no rows", got=name, want="respondents")
    frame = frame.reset_index(drop=True)
    frame.columns = [str(column) for column in frame.columns]
    return frame
