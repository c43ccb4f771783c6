"""The hub of recurring jobs over HTTP: `joulewise.jobs` behind tokens, with an OpenAPI description and metrics."""
