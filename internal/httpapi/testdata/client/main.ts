// Sends a batch with types generated from the API's document.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const [server = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: server, headers: { Authorization: `Bearer ${key}` } });

function expect(what: string, holds: boolean, got: unknown): asserts holds {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(got)}`);
}

const mediaUrl = "https://media.example.com/a.jpg";
const messages: components["schemas"]["BatchItem"][] = [{ to: "+12065551212" }, { to: "+12065551213", text: "Hi" }];

const batch = await client.POST("/v1/batches", { body: { defaults: { mediaUrl }, messages } });
expect("the batch", batch.data?.accepted === 2 && batch.data.id !== null, batch);
const id = batch.data.results[0]?.id;
expect("the first message", typeof id === "string", batch.data);

const message = await client.GET("/v1/messages/{id}", { params: { path: { id } } });
expect("the message", message.data !== undefined, message);
const sameID: string = message.data.id;
expect("the message", sameID === id && message.data.sendAt === null && message.data.priority === "bulk", message.data);

const canceled = await client.POST("/v1/batches/{batchId}/cancel", { params: { path: { batchId: batch.data.id } } });
expect("the cancel", canceled.data?.status === "canceled" && canceled.data.accepted === 2, canceled);

const single = await client.POST("/v1/messages", { body: { to: "+12065551212", mediaUrl } });
expect("a message", single.data?.status === "queued", single);

const refused = await client.POST("/v1/messages", { body: { to: "nobody" } });
expect("a refusal", refused.error?.code === "validation_failed" && refused.error.errors?.length === 2, refused);
