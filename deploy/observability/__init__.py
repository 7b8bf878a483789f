"""Alerts, objectives and dashboards: described here, rendered into components/ by `python -m deploy.observability`."""
