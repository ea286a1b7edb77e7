;;; fimd.el --- Code suggestions by a model on your own machine  -*- lexical-binding: t; -*-

;; Author: The fimd authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "30.1"))
;; Keywords: languages, convenience, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Sets up fimd, a language server that suggests code by a model on your own
;; machine, for whichever client you use:
;;
;; - lsp-mode 10 or newer draws its suggestions as ghost text; C-RET accepts
;;   one, C-n and C-p go through several.  fimd runs beside the language's own
;;   server.
;; - eglot has no inline completion, so `completion-preview-mode' shows fimd's
;;   completions as ghost text; TAB accepts.  Eglot runs one server a mode:
;;   fimd takes the place of the language's own in `fimd-eglot-modes'.
;;
;;     (require 'fimd)
;;     (fimd-setup)
;;
;; The program `fimd' must be on your PATH, or named by `fimd-command'.

;;; Code:

(require 'cl-lib)

(defgroup fimd nil
  "Code suggestions by a model on your own machine."
  :group 'tools
  :prefix "fimd-")

(defcustom fimd-command '("fimd" "serve")
  "The program to run, and its arguments."
  :type '(repeat string))

(defcustom fimd-languages '("python" "javascript" "java")
  "Language ids in which lsp-mode asks fimd.
The embedded model knows Python only; see `fimd models' for others."
  :type '(repeat string))

(defcustom fimd-eglot-modes '(python-mode python-ts-mode)
  "Major modes in which eglot runs fimd."
  :type '(repeat symbol))

(defcustom fimd-idle-delay 0.1
  "Seconds without a key after which suggestions are asked for.
Fimd itself waits longer where that saves work."
  :type 'number)

(defcustom fimd-eglot-wait 2.0
  "Seconds after which eglot gives a suggestion up; a key ends the wait at once.
Eglot does not ask a second time, so this is more than a slow machine needs."
  :type 'number)

(defvar fimd--status nil
  "What fimd has said of itself last, as a property list.")

(defvar lsp-inline-completion-idle-delay)
(defvar lsp--cur-workspace)
(defvar eglot-server-programs)
(defvar completion-preview-minimum-symbol-length)
(defvar completion-preview-idle-delay)

(declare-function lsp-register-client "ext:lsp-mode")
(declare-function make-lsp-client "ext:lsp-mode")
(declare-function lsp-stdio-connection "ext:lsp-mode")
(declare-function lsp-activate-on "ext:lsp-mode")
(declare-function lsp-find-workspace "ext:lsp-mode")
(declare-function lsp-request "ext:lsp-mode")
(declare-function lsp-get "ext:lsp-protocol")
(declare-function eglot-current-server "eglot")
(declare-function eglot-managed-p "eglot")
(declare-function jsonrpc-request "jsonrpc")
(declare-function completion-preview-mode "completion-preview")

;;;###autoload
(defun fimd-setup ()
  "Set fimd up for lsp-mode and eglot, as soon as either is loaded."
  (with-eval-after-load 'lsp-mode (fimd--set-up-lsp-mode))
  (with-eval-after-load 'eglot (fimd--set-up-eglot)))

(defun fimd--set-up-lsp-mode ()
  "Register fimd beside each language's own server."
  (setq lsp-inline-completion-idle-delay fimd-idle-delay)
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection (lambda () fimd-command))
    :activation-fn (apply #'lsp-activate-on fimd-languages)
    :add-on? t
    :priority -2
    :server-id 'fimd
    ;; lsp-mode keeps one encoding of positions a buffer, whatever each server has
    ;; agreed to: so fimd takes that of servers that agree to none.
    :custom-capabilities '((experimental . ((fimd . ((status . t) (positionEncoding . "utf-16"))))))
    :notification-handlers (let ((handlers (make-hash-table :test #'equal)))
                             (puthash "fimd/status" #'fimd--lsp-status handlers)
                             handlers))))

(defun fimd--lsp-status (_workspace report)
  "Keep REPORT, and show it in the mode line."
  (setq fimd--status (list :phase (lsp-get report :phase) :message (lsp-get report :message)
                           :model (lsp-get report :model)))
  (when (equal (plist-get fimd--status :phase) "error")
    (message "fimd: %s" (plist-get fimd--status :message)))
  (force-mode-line-update t))

(defun fimd--set-up-eglot ()
  "Let eglot run fimd in `fimd-eglot-modes', with its completions as ghost text."
  (let ((wait (list :popup_budget_ms (round (* 1000 fimd-eglot-wait)))))
    (add-to-list 'eglot-server-programs
                 `(,fimd-eglot-modes ,@fimd-command :initializationOptions (:completion ,wait))))
  (add-hook 'eglot-managed-mode-hook #'fimd--preview))

(defun fimd--preview ()
  "Show fimd's completions as ghost text in a buffer of `fimd-eglot-modes'."
  (when (apply #'derived-mode-p fimd-eglot-modes)
    (if (eglot-managed-p)
        (progn
          ;; Suggestions begin behind brackets and blanks too.
          (setq-local completion-preview-minimum-symbol-length nil
                      completion-preview-idle-delay fimd-idle-delay)
          (completion-preview-mode 1))
      (completion-preview-mode -1))))

(defun fimd--execute (command &rest arguments)
  "Let fimd carry out COMMAND with ARGUMENTS; its report of itself."
  (let ((params (list :command command :arguments (vconcat arguments))))
    (cond
     ((and (bound-and-true-p lsp-mode) (lsp-find-workspace 'fimd (buffer-file-name)))
      (let* ((lsp--cur-workspace (lsp-find-workspace 'fimd (buffer-file-name)))
             (report (lsp-request "workspace/executeCommand" params)))
        (list :phase (lsp-get report :phase) :message (lsp-get report :message) :model (lsp-get report :model))))
     ((and (fboundp 'eglot-current-server) (eglot-current-server))
      (jsonrpc-request (eglot-current-server) :workspace/executeCommand params))
     (t (user-error "Fimd doesn't run for this buffer")))))

(defun fimd--say (report)
  "Show REPORT in the echo area, and keep it."
  (setq fimd--status report)
  (message "fimd: %s (%s)" (plist-get report :message) (plist-get report :model)))

;;;###autoload
(defun fimd-status ()
  "Tell what fimd is doing."
  (interactive)
  (fimd--say (fimd--execute "fimd.status")))

;;;###autoload
(defun fimd-toggle (&optional language)
  "Turn suggestions on or off; with a prefix argument only in LANGUAGE."
  (interactive (list (and current-prefix-arg
                          (completing-read "Language: " fimd-languages))))
  (fimd--say (apply #'fimd--execute "fimd.toggle" (and language (list language)))))

;;;###autoload
(defun fimd-restart ()
  "Load the model again."
  (interactive)
  (fimd--say (fimd--execute "fimd.restart")))

;;;###autoload
(defun fimd-select-model (name)
  "Let fimd serve the model of that NAME."
  (interactive (list (completing-read "Model: " (fimd--models))))
  (fimd--say (fimd--execute "fimd.selectModel" name)))

(defun fimd--models ()
  "Names of the models that fimd knows."
  (let ((output (with-output-to-string
                  (with-current-buffer standard-output
                    (apply #'call-process (car fimd-command) nil '(t nil) nil
                           (append (butlast (cdr fimd-command)) '("models" "--json")))))))
    (mapcar (lambda (model) (gethash "name" model)) (json-parse-string output))))

(defun fimd-mode-line ()
  "What fimd is doing, for the mode line: put (:eval (fimd-mode-line)) into it."
  (pcase (plist-get fimd--status :phase)
    ('nil "")
    ("ready" " fimd")
    (phase (concat " fimd:" phase))))

(provide 'fimd)
;;; fimd.el ends here
