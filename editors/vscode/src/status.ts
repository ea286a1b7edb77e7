// The status bar's item: what the server says of itself.

import * as vscode from "vscode";

export type Phase = "loading" | "ready" | "busy" | "off" | "error" | "stopped" | "missing";

/** The parameters of `fimd/status`; the last two phases are this extension's own. */
export interface Report {
  phase: Phase;
  message: string;
  model: string;
}

const ICONS: Record<Phase, string> = {
  loading: "$(loading~spin)",
  ready: "$(sparkle)",
  busy: "$(sync~spin)",
  off: "$(circle-slash)",
  error: "$(error)",
  stopped: "$(debug-disconnect)",
  missing: "$(cloud-download)",
};

export class StatusItem implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("fimd", vscode.StatusBarAlignment.Right, 100);

  constructor() {
    this.item.name = "fimd";
    this.item.command = "fimd-vscode.menu";
    this.show({ phase: "loading", message: "fimd starts", model: "" });
    this.item.show();
  }

  show(report: Report): void {
    const percent = /(\d+) ?%/.exec(report.message)?.[1];
    this.item.text = `${ICONS[report.phase]} fimd${report.phase === "loading" && percent ? ` ${percent} %` : ""}`;
    this.item.tooltip = report.model ? `${report.message} (${report.model})` : report.message;
    this.item.accessibilityInformation = { label: `fimd: ${report.message}` };
    this.item.backgroundColor =
      report.phase === "error" || report.phase === "stopped"
        ? new vscode.ThemeColor("statusBarItem.warningBackground")
        : undefined;
    void vscode.commands.executeCommand("setContext", "fimd-vscode.ready", report.phase === "ready");
  }

  dispose(): void {
    this.item.dispose();
  }
}
