// Swagger UI over /api/v1/schema. What writes carries the CSRF token of this page, so that a session suffices.
"use strict";

const reference = document.getElementById("reference");

SwaggerUIBundle({
  url: reference.dataset.schema,
  domNode: reference,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin === location.origin && request.method !== "GET") {
      request.headers["X-CSRFToken"] = reference.dataset.csrf;
    }
    return request;
  },
});
