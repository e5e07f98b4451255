"""Files that a page hands to the browser, as its download component takes them."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping
from typing import Any


def text_file(name: str, text: str) -> dict[str, Any]:
    """A text file of that name."""
    return {"filename": plain_name(name), "content": text, "base64": False}


def zip_file(name: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """A ZIP archive of that name without its ending, with the files in one folder of that name."""
    root = plain_name(name)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(f"{root}/{path}", data)
    encoded = base64.b64encode(content.getvalue()).decode()
    return {
        "filename": f"{root}.zip",
        "content": encoded,
        "base64": True,
        "type": "application/zip",
    }


def plain_name(name: str) -> str:
    """A name without folders.

    >>> plain_name("runs/a-front.csv")
    'runs-a-front.csv'
    """
    return name.strip("/").replace("/", "-")
