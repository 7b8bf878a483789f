"""A conversation with a model over a vector store: what is asked, how it is answered, and how that is shown."""
