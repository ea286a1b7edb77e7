// Finds the server, or installs it into a folder of this extension's own.

import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";

const run = promisify(execFile);
const IS_WINDOWS = process.platform === "win32";

export class NotInstalled extends Error {}

/** The program to run.
 *
 * @throws NotInstalled where there is none, with a sentence for the person.
 */
export async function findServer(context: vscode.ExtensionContext): Promise<string> {
  const given = setting("server.path");
  if (given) {
    const program = path.isAbsolute(given) ? given : await onPath(given);
    if (program && (await exists(program))) return program;
    throw new NotInstalled(`${given}, the setting fimd.server.path, is no program: change it, or leave it empty.`);
  }
  const own = inEnvironment(environmentFolder(context), "fimd");
  if (await exists(own)) return own;
  const found = await onPath("fimd");
  if (found) return found;
  throw new NotInstalled("fimd's server is not installed.");
}

/** Install the server with pip, with progress, into a virtual environment.
 *
 * @throws Error with a sentence for the person.
 */
export async function installServer(context: vscode.ExtensionContext, log: vscode.LogOutputChannel): Promise<void> {
  const python = setting("server.python") || (IS_WINDOWS ? "python" : "python3");
  const folder = environmentFolder(context);
  const wanted = setting("server.package");
  if (!wanted) {
    throw new Error("What is to be installed? Name a checkout of fimd, or a wheel, in the setting fimd.server.package.");
  }
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "fimd", cancellable: true },
    async (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      const step = async (message: string, program: string, ...args: string[]) => {
        progress.report({ message });
        log.info([program, ...args].join(" "));
        const { stdout } = await run(program, args, { signal: abort.signal, maxBuffer: 2 ** 26 });
        log.info(stdout);
      };
      try {
        const versionCheck = "import sys; sys.exit(sys.version_info < (3, 10))";
        await step("looking for Python 3.10 or newer", python, "-c", versionCheck);
        await step("making an environment", python, "-m", "venv", folder);
        const pip = [inEnvironment(folder, "python"), "-m", "pip", "--disable-pip-version-check", "install"] as const;
        const further = vscode.workspace.getConfiguration("fimd").get<string[]>("server.pipArguments", []);
        await step("downloading: a few minutes", ...pip, "--upgrade", ...further, wanted);
      } catch (error) {
        if (token.isCancellationRequested) throw new Error("The installation was stopped.");
        throw new Error(reason(error, python));
      }
    },
  );
}

function reason(error: unknown, python: string): string {
  const failed = error as { code?: unknown; stderr?: string; stdout?: string };
  if (failed.code === "ENOENT") {
    return `There is no ${python} here: install Python 3.10 or newer, or name one in the setting fimd.server.python.`;
  }
  // Debian's Python says on its standard output that it can't make environments.
  const lines = `${failed.stdout ?? ""}\n${failed.stderr ?? ""}`.trim().split("\n");
  const said = lines.reverse().find((line) => /error|not available|failed/i.test(line)) ?? lines[0];
  return said ? `Installing fimd failed: ${said}` : `Installing fimd with ${python} failed: it needs Python 3.10 or newer.`;
}

function setting(name: string): string {
  return vscode.workspace.getConfiguration("fimd").get<string>(name, "").trim();
}

function environmentFolder(context: vscode.ExtensionContext): string {
  return path.join(context.globalStorageUri.fsPath, "environment");
}

function inEnvironment(folder: string, program: string): string {
  return IS_WINDOWS ? path.join(folder, "Scripts", `${program}.exe`) : path.join(folder, "bin", program);
}

async function onPath(program: string): Promise<string | undefined> {
  const names = IS_WINDOWS ? [`${program}.exe`] : [program];
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter).filter(path.isAbsolute)) {
    for (const name of names) {
      const candidate = path.join(folder, name);
      if (await exists(candidate)) return candidate;
    }
  }
  return undefined;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
