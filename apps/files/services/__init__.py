"""Stores files, in pieces, fetches pages of the web to be stored, and removes what is not wanted any more."""

from apps.files.services.files import clean_name, delete_expired_files, delete_file, keep_output, upload_file
from apps.files.web.pages import fetched

__all__ = ["clean_name", "delete_expired_files", "delete_file", "fetched", "keep_output", "upload_file"]
