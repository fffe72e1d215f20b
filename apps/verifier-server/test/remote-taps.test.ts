import { decodeFloat32 } from "@veridraft/rpc";
import { expect, it, vi } from "vitest";
import { context, listen, opened, type Peer, proposal, serve } from "./scripted-peer.ts";

/** Opens for hidden states of a width, and drafts the same in every round. */
function wanting(width: number): { peer: Peer; seen: (number[] | undefined)[] } {
  const seen: (number[] | undefined)[] = [];
  return {
    seen,
    async *peer(requests) {
      for await (const { request } of requests) {
        if (request?.$case === "propose") {
          const { taps, round } = request.value;
          seen.push(taps && [...decodeFloat32(taps, "taps", width)]);
          yield proposal(round, [3]);
        } else yield opened("scripted", 0, width);
      }
    },
  };
}

it("a peer that wants hidden states gets those of the round, also one that comes back", async () => {
  const first = wanting(2);
  const { server, drafter } = await serve(first.peer, {
    taps: { width: 2, targetSha256: "cd" },
  });
  expect(drafter.tapWidth).toBe(2);
  const ask = (ids: number[], ...taps: number[]) =>
    drafter.propose({ ...context(ids), taps: Float32Array.from(taps) });
  await ask([1], 0.5, -1);
  await ask([1, 2], 0.25, 2);
  expect(first.seen).toEqual([
    [0.5, -1],
    [0.25, 2],
  ]);
  await server.stop(0);

  // One that wants others than the target has is told none.
  const second = wanting(3);
  const other = await listen(second.peer, server.port);
  await vi.waitUntil(async () => (await ask([1, 2, 3], 4, 4)).tokens.length > 0, {
    timeout: 10_000,
    interval: 20,
  });
  expect(second.seen.at(-1)).toBeUndefined();
  expect(drafter.tapWidth).toBe(0);
  await other.stop(0);

  const third = wanting(2);
  await listen(third.peer, server.port);
  await vi.waitUntil(async () => (await ask([1, 2, 3, 3], 6, 7)).tokens.length > 0, {
    timeout: 10_000,
    interval: 20,
  });
  expect(third.seen).toEqual([[6, 7]]);
});
