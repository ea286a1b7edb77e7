// What the command palette, keys and the status bar's menu offer.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as vscode from "vscode";
import type { Connection } from "./connection";
import { change } from "./settings";

const run = promisify(execFile);

interface Model {
  name: string;
  languages: string;
  licence: string;
  parameters_billion: number;
  state: string;
  fits: string;
}

export function registerCommands(connection: Connection, log: vscode.LogOutputChannel): vscode.Disposable[] {
  const suggest = (command: string) => () => vscode.commands.executeCommand(`editor.action.inlineSuggest.${command}`);
  const commands: Record<string, () => unknown> = {
    toggle: () => change("enabled", !vscode.workspace.getConfiguration("fimd").get<boolean>("enabled", true)),
    toggleLanguage,
    request: suggest("trigger"),
    next: suggest("showNext"),
    previous: suggest("showPrevious"),
    showLog: () => log.show(),
    restart: () => connection.restart(),
    selectModel: () => selectModel(connection),
    doctor: () => doctor(connection),
    install: () => connection.install(),
    menu: () => menu(connection),
  };
  return Object.entries(commands).map(([name, action]) =>
    vscode.commands.registerCommand(`fimd-vscode.${name}`, async () => {
      try {
        await action();
      } catch (error) {
        log.error(error as Error);
        void vscode.window.showErrorMessage(`fimd: ${(error as Error).message}`);
      }
    }),
  );
}

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (!language) {
    void vscode.window.showInformationMessage("fimd: open a file of the language first.");
    return;
  }
  const disabled = vscode.workspace.getConfiguration("fimd").get<string[]>("disabledLanguages", []);
  const rest = disabled.filter((one) => one !== language);
  await change("disabledLanguages", rest.length < disabled.length ? rest : [...disabled, language]);
}

async function selectModel(connection: Connection): Promise<void> {
  const { stdout } = await run(await connection.program(), ["models", "--json"]);
  const models = JSON.parse(stdout) as Model[];
  const choice = await vscode.window.showQuickPick(
    models.map((model) => ({
      label: model.name,
      description: `${model.parameters_billion} B, ${model.state}`,
      detail: `${model.languages}; ${model.licence}${model.fits ? "" : "; more than this machine's memory holds"}`,
    })),
    { title: "The model that fimd suggests with", matchOnDetail: true },
  );
  if (choice) await change("model", choice.label);
}

async function doctor(connection: Connection): Promise<void> {
  const program = await connection.program();
  const told = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "fimd looks at this machine" },
    // It ends with a status of its own where something is wrong, which is what it is asked about.
    () => run(program, ["doctor"]).catch((error: { stdout?: string; stderr?: string }) => error),
  );
  const content = [told.stdout, told.stderr].filter(Boolean).join("\n") || `${program} doctor says nothing.`;
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content }), { preview: true });
}

async function menu(connection: Connection): Promise<void> {
  const isOn = vscode.workspace.getConfiguration("fimd").get<boolean>("enabled", true);
  const items = [
    { label: isOn ? "$(circle-slash) Turn suggestions off" : "$(sparkle) Turn suggestions on", command: "toggle" },
    { label: "$(code) Turn them on or off in this language", command: "toggleLanguage" },
    { label: "$(symbol-class) Choose a model…", command: "selectModel" },
    { label: "$(output) Show the log", command: "showLog" },
    { label: "$(debug-restart) Restart", command: "restart" },
    { label: "$(pulse) Check what works", command: "doctor" },
  ];
  const { message, model } = connection.report;
  const choice = await vscode.window.showQuickPick(items, { title: `fimd: ${message}${model ? ` (${model})` : ""}` });
  if (choice) await vscode.commands.executeCommand(`fimd-vscode.${choice.command}`);
}
