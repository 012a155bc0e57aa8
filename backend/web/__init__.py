"""HTTP plumbing shared by all routes: declared rules, problem documents, OpenAPI. The only place that knows status codes."""
