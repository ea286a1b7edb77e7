;; fimd in Emacs with lsp-mode 10 or newer: put this into your init file, with `fimd' on your PATH. C-RET accepts.
(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection '("fimd" "serve"))
    :activation-fn (lsp-activate-on "python" "java" "javascript")
    :add-on? t ; beside the language's own server
    :server-id 'fimd)))
(setq lsp-inline-completion-idle-delay 0.1) ; seconds; fimd waits by itself where that saves work
