// From the editor's settings to the server's.

import * as vscode from "vscode";

/** What is sent with `initialize`, and again when it changes: only what has been set, so that fimd's own settings file
 * counts for the rest. Restricted ones are the user's own in a workspace that is not trusted: the editor sees to that. */
export function serverSettings(): Record<string, unknown> {
  const own = vscode.workspace.getConfiguration("fimd");
  const given = own.get<Record<string, unknown> | null>("settings", {}) ?? {};
  const settings: Record<string, unknown> = { ...given };
  if (isSet("enabled")) settings["enabled"] = own.get("enabled");
  if (isSet("disabledLanguages")) {
    settings["files"] = { ...(given["files"] as object | undefined), disabled_languages: own.get("disabledLanguages") };
  }
  const name = (own.get<string | null>("model", "") ?? "").trim();
  if (name) {
    // What was set for another model says nothing about this one.
    const usual = { revision: "", format: "auto", instructions: "auto" };
    settings["model"] = { ...usual, ...(given["model"] as object | undefined), name };
  }
  return settings;
}

function isSet(name: string): boolean {
  const places = vscode.workspace.getConfiguration("fimd").inspect(name);
  return [places?.globalValue, places?.workspaceValue, places?.workspaceFolderValue].some((value) => value !== undefined);
}

/** Change a setting where it is set already, else for the user. */
export async function change(name: string, value: unknown): Promise<void> {
  const own = vscode.workspace.getConfiguration("fimd");
  const places = own.inspect(name);
  const target =
    places?.workspaceFolderValue !== undefined || places?.workspaceValue !== undefined
      ? vscode.ConfigurationTarget.Workspace
      : vscode.ConfigurationTarget.Global;
  await own.update(name, value, target);
}
