// Shows the API's description. Swagger UI would ask a validator on another host; it is told not to.
const place = document.getElementById("api-docs");

globalThis.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  validatorUrl: null,
  deepLinking: true,
  persistAuthorization: false,
});
