// From the editor's settings to the server's.

import * as vscode from "vscode";

export interface ServerSettings {
  enabled: boolean;
  files: { disabled_languages: string[] };
  model?: { name: string };
}

/** What is sent with `initialize`, and again when it changes. Restricted ones are the user's own in a workspace that is
 * not trusted: the editor sees to that. */
export function serverSettings(): ServerSettings {
  const own = vscode.workspace.getConfiguration("fimd");
  const given = own.get<Record<string, unknown>>("settings", {});
  const model = own.get<string>("model", "").trim();
  const files = (given["files"] ?? {}) as Record<string, unknown>;
  return {
    ...given,
    ...(model ? { model: { ...(given["model"] as object | undefined), name: model } } : {}),
    enabled: own.get<boolean>("enabled", true),
    files: { ...files, disabled_languages: own.get<string[]>("disabledLanguages", []) },
  };
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
