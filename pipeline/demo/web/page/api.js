// The API's page, made of openapi.json: no script from elsewhere, so it works without a network.

const description = await (await fetch("openapi.json")).json();

function make(tag, text = "", ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

const named = (schema) => description.components.schemas[schema.$ref.split("/").pop()];

function type(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(type).join(" or ");
  if (schema.type === "array") return `list of ${type(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties) return `name to ${type(schema.additionalProperties)}`;
  return schema.format === "binary" ? "file" : schema.type ?? "anything";
}

// An object's fields and, below, those of the objects in it
function fields(schema, seen = new Set()) {
  const name = type(schema), inner = [];
  if (seen.has(name)) return [];
  seen.add(name);
  const rows = Object.entries(named(schema).properties).map(([field, facts]) => {
    for (const one of [facts, facts.items ?? {}, ...(facts.anyOf ?? [])]) if (one.$ref) inner.push(one);
    return make("tr", "", make("td", "", make("code", field)), make("td", type(facts)), make("td", facts.description ?? ""));
  });
  return [make("h3", name), make("table", "", ...rows), ...inner.flatMap((one) => fields(one, seen))];
}

function attempt(path, many) {
  const form = make("form"), file = make("input"), send = make("button", "Send"), answer = make("pre");
  Object.assign(file, { type: "file", accept: "image/jpeg,image/png,image/webp", multiple: many, required: true });
  file.setAttribute("aria-label", many ? "Pictures" : "Picture");
  answer.hidden = true;
  form.append(file, send);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const body = new FormData();
    for (const one of file.files) body.append(many ? "files" : "file", one);
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const told = await fetch(path.slice(1), { method: "POST", body });
      answer.textContent = `${told.status}\n${JSON.stringify(await told.json(), null, 1)}`;
    } catch (error) {
      answer.textContent = String(error.message);
    }
  };
  return [form, answer];
}

document.getElementById("description").textContent = description.info.description;
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const many = path.endsWith("/batch"), address = new URL(path.slice(1), location.href).href;
    const curl = many ? `curl -F files=@one.jpg -F files=@two.png ${address}` : `curl --data-binary @face.jpg ${address}`;
    const codes = Object.entries(operation.responses).map(([code, facts]) =>
      make("tr", "", make("td", code), make("td", code === "200" ? "The answer, below." : facts.description)));
    document.getElementById("operations").append(make("article", "",
      make("h2", "", make("code", `${method.toUpperCase()} ${path}`), operation.summary),
      make("p", operation.description), make("pre", curl), ...attempt(path, many),
      make("table", "", ...codes), ...fields(operation.responses["200"].content["application/json"].schema)));
  }
}
document.documentElement.dataset.ready = "true";
