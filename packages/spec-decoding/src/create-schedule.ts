import { InvalidArgumentError } from "@veridraft/core-probs";
import { z } from "zod";
import { Calibration } from "./calibration.ts";
import { confidenceSchedule } from "./confidence-schedule.ts";
import { parseConfig } from "./config.ts";
import { constantSchedule } from "./constant-schedule.ts";
import { checkCosts, type Costs } from "./costs.ts";
import { goodputSchedule } from "./goodput-schedule.ts";
import { heuristicSchedule } from "./heuristic-schedule.ts";
import type { Schedule } from "./schedule.ts";

/** Options of {@link createSchedule}. */
export const scheduleConfig = z.strictObject({
  schedule: z
    .enum(["auto", "constant", "heuristic", "confidence", "goodput"])
    .default("auto")
    .describe(
      "How many nodes a round drafts; auto is constant with numSpeculativeTokens or without costs, else goodput.",
    ),
  numSpeculativeTokens: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe(
      "Nodes of every round (constant, 4), of the first one (heuristic, 5), or the most (confidence).",
    ),
  maxTreeNodes: z
    .int()
    .min(1)
    .max(1024)
    .default(16)
    .describe("Most nodes of a round where their number is chosen."),
  confidenceThreshold: z
    .number()
    .min(0)
    .lt(1)
    .default(0.4)
    .describe("Where the confidence schedule starts."),
});
export type ScheduleConfig = z.output<typeof scheduleConfig>;

export interface ScheduleOptions extends Omit<z.input<typeof scheduleConfig>, "schedule"> {
  /** A name, or a schedule of your own, which must not change drawn trees. Default "auto". */
  readonly schedule?: ScheduleConfig["schedule"] | Schedule;
  /** Of the target's forwards; "goodput" needs them. */
  readonly costs?: Costs;
  /** Shared by the generations of one kind of drafter. Default: a new one. */
  readonly calibration?: Calibration;
}

/**
 * The schedule of one generation.
 *
 * @throws InvalidArgumentError for options out of range, and for "goodput" without costs or with a fixed number of tokens.
 */
export function createSchedule(options: ScheduleOptions = {}): Schedule {
  if (typeof options.schedule === "object") return options.schedule;
  const { costs, calibration = new Calibration(), ...rest } = options;
  const config = parseConfig("createSchedule", scheduleConfig, rest);
  const { numSpeculativeTokens: tokens, maxTreeNodes: max, confidenceThreshold } = config;
  const automatic = tokens === undefined && costs ? "goodput" : "constant";
  switch (config.schedule === "auto" ? automatic : config.schedule) {
    case "constant":
      return constantSchedule(tokens ?? 4, calibration);
    case "heuristic":
      return heuristicSchedule(tokens ?? 5, max, calibration);
    case "confidence":
      return confidenceSchedule(tokens ?? max, confidenceThreshold, calibration);
    case "goodput":
      if (!costs || tokens !== undefined) {
        throw new InvalidArgumentError(
          `createSchedule: goodput chooses the number of tokens from costs; got ${costs ? "costs" : "no costs"} and numSpeculativeTokens ${tokens}`,
        );
      }
      checkCosts(costs);
      return goodputSchedule(costs, calibration, max);
  }
}
