"""Comma-separated text: UTF-8 with or without a byte-order mark, one header row."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import warnings
import zlib

import pandas as pd

from ..errors import CxError


def read(content: bytes, name: str) -> pd.DataFrame:
    """Parse CSV bytes (plain, .gz or .bz2).

    Raises
    ------
    CxError
        Not text in UTF-8, ragged rows, two columns of one name, a header without rows.
    """
    text = _text(_unpacked(content, name), name)
    header = _header(text, name)
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise CxError(
            "two columns have the same name",
            got=f"{name}: {', '.join(map(repr, doubled[:5]))}",
            want="one name a column",
            do="rename one of them in the file",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text),
                low_memory=False,
                index_col=False,
                keep_default_na=False,
                na_values=[""],
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise CxError(
            "the file is not a table",
            got=f"{name}: {str(error).strip()}",
            want="the same number of cells in every row",
            do="export it again as CSV, or mend the row that is named",
        ) from error
    frame = _numbers(frame)
    if frame.empty:
        raise CxError("the data file has no rows", got=f"{name}: a header only", want="respondents")
    if frame.iloc[:, -1].isna().any():
        _whole_rows(text, name, len(header))
    return frame


def _header(text: str, name: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text)), [])
    except csv.Error as error:
        raise CxError(
            "the file is not a table",
            got=f"{name}: {error} in the first row",
            want="a row of column names",
            do="export it again as CSV",
        ) from error


def _whole_rows(text: str, name: str, width: int) -> None:
    """An error for a row with too few cells, which would otherwise read as missing answers."""
    reader = csv.reader(io.StringIO(text))
    for row in reader:
        if row and len(row) < width:
            raise CxError(
                "the file is not a table",
                got=f"{name}: {len(row)} of {width} cells in the row that ends on line "
                f"{reader.line_num:,}",
                want="the same number of cells in every row",
                do="export it again as CSV, or mend the row that is named",
            )


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Words such as NA are missing among numbers; in a column of words they are answers."""
    found = {}
    for name in frame.columns[
        frame.dtypes.map(lambda kind: not pd.api.types.is_numeric_dtype(kind))
    ]:
        column = frame[name]
        plain = column.mask(column.isin(_NA))
        numbers = pd.to_numeric(plain, errors="coerce")
        if plain.notna().any() and (numbers.notna() | plain.isna()).all():
            found[name] = numbers
    return frame.assign(**found) if found else frame


#: What programs write for a number that is missing.
_NA = ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", "#N/A", ".")


def _unpacked(content: bytes, name: str) -> bytes:
    try:
        if content[:3] == b"BZh":
            return bz2.decompress(content)
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise CxError(
            "the packed file is damaged",
            got=f"{name}: {error}",
            want="a whole .gz or .bz2 file",
            do="copy or download it again",
        ) from error
    return content


def _text(content: bytes, name: str) -> str:
    if b"\x00" in content:
        raise CxError(
            "the file is not text",
            got=f"{name} holds NUL bytes",
            want="a CSV file in UTF-8, or a Parquet file",
            do="save it as UTF-8, e.g. 'CSV UTF-8' in a spreadsheet",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CxError(
            "the file is not UTF-8",
            got=f"{name}: byte {content[error.start]:#04x} at position {error.start:,}",
            want="text in UTF-8",
            do="save it as UTF-8, e.g. 'CSV UTF-8' in a spreadsheet",
        ) from error
