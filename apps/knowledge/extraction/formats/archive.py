"""A ZIP archive, as Office's files are: looked over before anything of it is unpacked, then read member by member."""

import io
import re
import zipfile
import zlib

from lxml import etree

from apps.knowledge.extraction.contracts import MEBIBYTE, Limits
from apps.knowledge.extraction.refusals import BROKEN, DECLARES, ENCRYPTED, invalid

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
IS_ENCRYPTED = 0x1
FILE_TYPE, SYMBOLIC_LINK = 0o170000, 0o120000
DECLARATION = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)")
SMALL = MEBIBYTE
"""Bytes up to which no ratio is absurd."""


class Archive:
    def __init__(self, content: bytes, limits: Limits) -> None:
        """Raises UnreadableError."""
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise invalid(BROKEN) from error
        self._members = {member.filename: member for member in self._zip.infolist()}
        self._look_over()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def read(self, name: str) -> bytes:
        """Raises UnreadableError; never returns more than the archive declared and the limits allow."""
        try:
            return self._zip.read(self._members[name])
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise invalid(BROKEN) from error

    def xml(self, name: str) -> etree._Element:
        content = self.read(name)
        if DECLARATION.search(content):
            raise invalid(DECLARES)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
        try:
            root = etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            raise invalid(BROKEN) from error
        if root.getroottree().docinfo.internalDTD is not None:  # in another encoding
            raise invalid(DECLARES)
        return root

    def _look_over(self) -> None:
        total = 0
        for member in self._zip.infolist():
            total += member.file_size
            if member.flag_bits & IS_ENCRYPTED:
                raise invalid(ENCRYPTED)
            if _is_hostile(member):
                raise invalid(BROKEN)
            if member.file_size > SMALL and member.file_size > self._limits.ratio * member.compress_size:
                message = f"A part of the file grows more than {self._limits.ratio} times when unpacked. Save it anew."
                raise invalid(message)
        if total > self._limits.unpacked:
            message = f"The file is larger than {self._limits.unpacked // MEBIBYTE} MiB when it is unpacked. Split it."
            raise invalid(message)


def _is_hostile(member: zipfile.ZipInfo) -> bool:
    name = member.filename.replace("\\", "/")
    outside = name.startswith("/") or ".." in name.split("/") or "\x00" in name
    is_link = (member.external_attr >> 16) & FILE_TYPE == SYMBOLIC_LINK
    return outside or is_link or member.compress_type not in METHODS
