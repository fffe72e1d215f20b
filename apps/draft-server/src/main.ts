/** The draft server as a program of its own. */
import { draftServerCommand } from "./command.ts";
import { runProgram } from "./program.ts";

await runProgram(draftServerCommand().name("veridraft-draft-server"));
