/** The draft server as a program of its own. */
import { draftServerProgram } from "./server-program.ts";
import { runProgram, serverCommand } from "./program.ts";

await runProgram(serverCommand(draftServerProgram).name("veridraft-draft-server"));
