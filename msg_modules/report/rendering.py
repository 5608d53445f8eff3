"""Template rendering."""

from __future__ import annotations

from typing import Any

import jinja2

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("msg_modules.report"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    """Renders a template.

    Args:
      template: Name of a file in `templates`.
      **values: Template variables; autoescaped in HTML templates.
    """
    return _environment.get_template(template).render(**values)
