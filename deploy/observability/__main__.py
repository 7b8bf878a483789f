"""Writes the rendered rules and dashboards to where Kustomize takes them from."""

from deploy.observability.rendered import files

for path, text in files().items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(path)
