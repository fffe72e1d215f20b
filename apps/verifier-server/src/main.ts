/** The verifier server as a program of its own. */
import { runProgram } from "@veridraft/draft-server";
import { verifierServerCommand } from "./command.ts";

await runProgram(verifierServerCommand().name("veridraft-verifier-server"));
