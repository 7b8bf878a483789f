"""Stores files, fetches pages of the web to be stored, and removes what is not wanted any more."""

from apps.files.services.files import clean_name, show_output, store_output, upload_file
from apps.files.services.links import link_to_file
from apps.files.services.removal import delete_expired_files, delete_file, remove_contents
from apps.files.threads import stored
from apps.files.web.pages import fetched

__all__ = [
    "clean_name",
    "delete_expired_files",
    "delete_file",
    "fetched",
    "link_to_file",
    "remove_contents",
    "show_output",
    "store_output",
    "stored",
    "upload_file",
]
