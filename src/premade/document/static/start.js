"use strict";

window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#interface",
    deepLinking: true,
    // The badge of an outside validator would be loaded from elsewhere.
    validatorUrl: null,
    tryItOutEnabled: true,
    persistAuthorization: false,
  });
});
