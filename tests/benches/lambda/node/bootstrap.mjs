// What the benchmark puts beside our functions: a handler as they are written for Node, which makes
// a client of DynamoDB, under the smallest runtime that serves it.
import http from "node:http";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

const documents = DynamoDBDocumentClient.from(new DynamoDBClient({}));

async function handler(event) {
  return { has: typeof documents.send, keys: Object.keys(event) };
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path, agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const invocation = "/2018-06-01/runtime/invocation";
for (;;) {
  const next = await call("GET", `${invocation}/next`);
  const answer = await handler(JSON.parse(next.body.toString()));
  const id = next.headers["lambda-runtime-aws-request-id"];
  await call("POST", `${invocation}/${id}/response`, JSON.stringify(answer));
}
