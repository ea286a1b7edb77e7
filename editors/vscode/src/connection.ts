// The server's process and the language client that speaks with it.

import * as vscode from "vscode";
import {
  CloseAction,
  type ClientCapabilities,
  ErrorAction,
  ExecuteCommandRequest,
  type FeatureState,
  LanguageClient,
  type LanguageClientOptions,
  type StaticFeature,
} from "vscode-languageclient/node";
import { findServer, installServer, NotInstalled } from "./server";
import { serverSettings } from "./settings";
import type { Report } from "./status";

const RESTARTS = 3;

/** Asks the server for `fimd/status`, which it sends to those who ask only. */
const wantsStatus: StaticFeature = {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    capabilities.experimental = { ...capabilities.experimental, fimd: { status: true } };
  },
  initialize(): void {},
  getState(): FeatureState {
    return { kind: "static" };
  },
  clear(): void {},
};

export class Connection implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private deaths = 0;
  private pending: Promise<void> = Promise.resolve();
  report: Report = { phase: "loading", message: "fimd starts", model: "" };

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly heard: (report: Report) => void,
  ) {}

  /** Find the server and start it; where there is none, offer to install it. */
  start({ asksToInstall }: { asksToInstall: boolean }): Promise<void> {
    return this.inTurn(() => this.begin(asksToInstall));
  }

  restart(): Promise<void> {
    return this.inTurn(async () => {
      this.deaths = 0;
      await this.end();
      await this.begin(true);
    });
  }

  async install(): Promise<void> {
    try {
      await installServer(this.context, this.log);
    } catch (error) {
      void this.complain((error as Error).message);
      return;
    }
    await this.restart();
  }

  /** The program that is run, or would be. */
  program(): Promise<string> {
    return findServer(this.context);
  }

  async sendSettings(): Promise<void> {
    await this.client?.sendNotification("workspace/didChangeConfiguration", { settings: { fimd: serverSettings() } });
  }

  /** Let the server carry out one of its commands. */
  async execute(command: string, ...args: string[]): Promise<void> {
    if (!this.client?.isRunning()) {
      await this.restart();
      return;
    }
    this.tell((await this.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args })) as Report);
  }

  dispose(): Promise<void> {
    return this.inTurn(() => this.end());
  }

  /** Starts and stops never overlap. */
  private inTurn(task: () => Promise<void>): Promise<void> {
    this.pending = this.pending.then(task, task);
    return this.pending;
  }

  private async begin(asksToInstall: boolean): Promise<void> {
    let command: string;
    try {
      command = await findServer(this.context);
    } catch (error) {
      if (!(error instanceof NotInstalled)) throw error;
      this.tell({ phase: "missing", message: error.message, model: "" });
      if (asksToInstall) void this.offerToInstall(error.message);
      return;
    }
    this.log.info(`starting ${command} serve`);
    const client = new LanguageClient("fimd", "fimd", { command, args: ["serve"] }, this.options());
    client.registerFeature(wantsStatus);
    client.onNotification("fimd/status", (report: Report) => this.tell(report));
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      this.tell({ phase: "stopped", message: "fimd did not start: see its log", model: "" });
      void this.complain(`fimd did not start: ${(error as Error).message}`);
    }
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.dispose(2000).catch((error: unknown) => this.log.warn(String(error)));
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
      initializationOptions: serverSettings(),
      outputChannel: this.log,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue }),
        closed: () => {
          this.deaths += 1;
          if (this.deaths <= RESTARTS) {
            this.tell({ phase: "loading", message: "fimd stopped and is started again", model: "" });
            void vscode.window.showWarningMessage("fimd stopped and is started again; its log says why.");
            return { action: CloseAction.Restart, handled: true };
          }
          this.tell({ phase: "stopped", message: `fimd stopped ${this.deaths} times: see its log`, model: "" });
          void this.complain(`fimd stopped ${this.deaths} times and is not started again.`);
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    };
  }

  private tell(report: Report): void {
    this.report = report;
    if (report.phase === "ready") this.deaths = 0;
    this.heard(report);
  }

  private async offerToInstall(message: string): Promise<void> {
    const choice = await vscode.window.showInformationMessage(message, "Install", "Choose the Program…");
    if (choice === "Install") await this.install();
    if (choice === "Choose the Program…") {
      await vscode.commands.executeCommand("workbench.action.openSettings", "fimd.server.path");
    }
  }

  private async complain(message: string): Promise<void> {
    const choice = await vscode.window.showErrorMessage(message, "Show Log");
    if (choice) this.log.show();
  }
}
