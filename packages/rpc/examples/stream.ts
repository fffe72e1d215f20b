/** A draft service that always proposes the token after the last one, and a client that streams three rounds. */
import { decodeUint32, encodeInt32, encodeUint32 } from "@veridraft/rpc";
import { createDraftClient } from "@veridraft/rpc/client";
import { DraftRequest, DraftResponse, DraftServiceService } from "@veridraft/rpc/draft";
import { service, startServer } from "@veridraft/rpc/server";

const server = await startServer({
  services: [
    service(DraftServiceService, {
      async *draft(requests) {
        for await (const { request } of requests) {
          if (request?.$case !== "propose") continue;
          const { commit, round } = request.value;
          const last = decodeUint32(commit, "propose.commit", 1)[0];
          yield DraftResponse.create({
            response: {
              $case: "proposal",
              value: { round, tokens: encodeUint32([last + 1]), parents: encodeInt32([-1]) },
            },
          });
        }
      },
      getModelInfo: async () => ({ model: undefined, drafters: ["next"] }),
    }),
  ],
});
server.setServing(true);

const client = createDraftClient(server.address);
const call = client.draft();
const ask = (round: number) =>
  call.send(
    DraftRequest.create({
      request: {
        $case: "propose",
        value: { round, budget: 1, commit: encodeUint32([round * 10]) },
      },
    }),
  );

await ask(1);
for await (const { response } of call.responses) {
  if (response?.$case !== "proposal") continue;
  const { round, tokens } = response.value;
  console.log(`round ${round} proposes ${decodeUint32(tokens, "proposal.tokens", 1)[0]}`);
  if (round < 3) await ask(round + 1);
  else call.end();
}
client.close();
await server.stop(1000);
// -> round 1 proposes 11
// -> round 2 proposes 21
// -> round 3 proposes 31
