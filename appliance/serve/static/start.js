// Shows this server's own description. No validator: it would send the description to a web service.
window.onload = () => SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", validatorUrl: null, deepLinking: true });
