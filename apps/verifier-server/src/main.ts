/** The verifier server as a program of its own. */
import { runProgram, serverCommand } from "@veridraft/draft-server";
import { verifierServerProgram } from "./server-program.ts";

await runProgram(serverCommand(verifierServerProgram).name("veridraft-verifier-server"));
