"""One module for each family of formats, each with `read`; the child imports only the one that a document needs."""
