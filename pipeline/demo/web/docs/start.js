// Starts Swagger UI on this server's OpenAPI description, in a file because the content-security policy allows no inline script.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // Nothing is sent to a validator elsewhere
  validatorUrl: null,
  onComplete: () => { document.documentElement.dataset.ready = "true"; },
});
