;; fimd in Emacs 30 with eglot: `completion-preview-mode' shows its completions as ghost text, TAB accepts.
;; Put this into your init file, with `fimd' on your PATH. eglot runs one server a mode, so this takes the place of
;; the language's own.
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(python-mode . ("fimd" "serve")))
  (add-to-list 'eglot-server-programs '(python-ts-mode . ("fimd" "serve"))))
(add-hook 'eglot-managed-mode-hook #'completion-preview-mode)
