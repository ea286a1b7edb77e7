// Ties the parts together. All policy is the server's: what is suggested, when, and how much of it.

import * as vscode from "vscode";
import { Connection } from "./connection";
import { registerCommands } from "./commands";
import { StatusItem } from "./status";

let connection: Connection | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("fimd", { log: true });
  const status = new StatusItem();
  const made = new Connection(context, log, (report) => status.show(report));
  connection = made;
  context.subscriptions.push(log, status, ...registerCommands(made, log));
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (!change.affectsConfiguration("fimd")) return;
      if (change.affectsConfiguration("fimd.server")) await made.restart();
      else await made.sendSettings();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => made.restart()),
  );
  await made.start({ asksToInstall: true });
}

/** The editor waits for this, so that the server is told to stop before its pipes are closed. */
export function deactivate(): Promise<void> | undefined {
  return connection?.dispose();
}
