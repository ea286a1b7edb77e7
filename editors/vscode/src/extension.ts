// Ties the parts together. All policy is the server's: what is suggested, when, and how much of it.

import * as vscode from "vscode";
import { Connection } from "./connection";
import { registerCommands } from "./commands";
import { StatusItem } from "./status";

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("fimd", { log: true });
  const status = new StatusItem();
  const connection = new Connection(context, log, (report) => status.show(report));
  context.subscriptions.push(log, status, connection, ...registerCommands(connection, log));
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (!change.affectsConfiguration("fimd")) return;
      if (change.affectsConfiguration("fimd.server")) await connection.restart();
      else await connection.sendSettings();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => connection.restart()),
  );
  await connection.start({ asksToInstall: true });
}
