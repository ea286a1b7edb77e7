// The server's process and the language client that speaks with it.

import * as vscode from "vscode";
import {
  CloseAction,
  type ClientCapabilities,
  ErrorAction,
  type FeatureState,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  State,
  type StaticFeature,
} from "vscode-languageclient/node";
import { findServer, installServer, NotInstalled } from "./server";
import { serverSettings } from "./settings";
import type { Report } from "./status";

/** So often in so long a time it is started again: what dies at every suggestion would do so for ever. */
const RESTARTS = 3;
const WITHIN_MS = 10 * 60 * 1000;

/** The first answer needs no model and comes within a second or two, from a cold disk within ten. */
const FIRST_ANSWER_MS = 30 * 1000;

/** From the end of a server that never answered until that is said, if the client has not. */
const ENDED_MS = 1_000;

type Settings = Record<string, unknown>;

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether `before` has something, at any depth, that `after` has not. */
function hasMore(before: object, after: object): boolean {
  return Object.entries(before).some(([key, value]: [string, unknown]) => {
    const now = (after as Settings)[key];
    return now === undefined || (isObject(value) && isObject(now) && hasMore(value, now));
  });
}

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
  private deaths: number[] = [];
  private sent: Settings = {};
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
      this.deaths = [];
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

  /** Let changed settings hold. What is not set any more can't be sent, so the server starts anew with what is left. */
  async sendSettings(): Promise<void> {
    const settings = serverSettings();
    if (!this.client?.isRunning() || hasMore(this.sent, settings)) {
      await this.restart();
      return;
    }
    this.sent = settings;
    await this.client.sendNotification("workspace/didChangeConfiguration", { settings: { fimd: settings } });
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
    // Not in the workspace, where a folder may be called like a model.
    const cwd = this.context.globalStorageUri.fsPath;
    await vscode.workspace.fs.createDirectory(this.context.globalStorageUri);
    this.log.info(`starting ${command} serve`);
    this.sent = serverSettings();
    // One that was given up may still hear of its server's end.
    const isCurrent = () => this.client === client;
    let hasAnswered = false;
    let giveUp: (reason: string) => void = () => {};
    const mute = new Promise<string>((resolve) => (giveUp = resolve));
    const options = this.options(
      () => isCurrent() && hasAnswered,
      // The client mostly says more precisely what happened, soon.
      () => setTimeout(() => giveUp("its program has ended"), ENDED_MS),
    );
    const client = new LanguageClient("fimd", "fimd", { command, args: ["serve"], options: { cwd } }, options);
    client.registerFeature(wantsStatus);
    client.onNotification("fimd/status", (report: Report) => {
      if (isCurrent()) this.tell(report);
    });
    this.client = client;
    const failed = (reason: string) => {
      this.tell({ phase: "stopped", message: "fimd did not start: see its log", model: "" });
      void this.complain(`fimd did not start: ${reason}`);
    };
    // Each start has so long, also those that the client makes itself when the server has died.
    let patience: NodeJS.Timeout | undefined;
    client.onDidChangeState(({ newState }) => {
      clearTimeout(patience);
      if (newState !== State.Starting) return;
      patience = setTimeout(() => {
        client.serverProcess?.kill("SIGKILL");
        const reason = `no answer in ${FIRST_ANSWER_MS / 1000} seconds`;
        if (hasAnswered) failed(reason);
        else giveUp(reason);
      }, FIRST_ANSWER_MS);
    });
    const started = client.start().then(
      () => "",
      (error: unknown) => (error as Error).message || String(error),
    );
    const reason = await Promise.race([started, mute]);
    if (reason) failed(reason);
    else hasAnswered = true;
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.dispose(2000).catch((error: unknown) => this.log.warn(String(error)));
  }

  /**
   * @param isToLive Whether one that dies is started again: it is the one in use, and did start once.
   * @param ended Told of one that is not.
   */
  private options(isToLive: () => boolean, ended: () => void): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
      initializationOptions: serverSettings, // asked anew when the server is started again
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue }),
        closed: () => {
          if (!isToLive()) {
            ended();
            return { action: CloseAction.DoNotRestart, handled: true };
          }
          const now = Date.now();
          this.deaths = [...this.deaths.filter((death) => now - death < WITHIN_MS), now];
          if (this.deaths.length <= RESTARTS) {
            this.tell({ phase: "loading", message: "fimd stopped and is started again", model: "" });
            void vscode.window.showWarningMessage("fimd stopped and is started again; its log says why.");
            return { action: CloseAction.Restart, handled: true };
          }
          this.tell({ phase: "stopped", message: `fimd stopped ${this.deaths.length} times: see its log`, model: "" });
          void this.complain(`fimd stopped ${this.deaths.length} times and is not started again.`);
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    };
  }

  private tell(report: Report): void {
    this.report = report;
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
