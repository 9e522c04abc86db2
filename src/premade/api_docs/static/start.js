"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

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
