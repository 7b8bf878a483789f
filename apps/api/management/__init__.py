"""The management API, /api/v1: what the portal's pages can do, for scripts and other programs."""
