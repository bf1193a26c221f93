"""The OpenAPI document and the Swagger page."""
