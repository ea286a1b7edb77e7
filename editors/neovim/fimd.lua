-- fimd in Neovim 0.12 or newer: put this into your init.lua, with `fimd` on your PATH.
vim.lsp.config("fimd", {
  cmd = { "fimd", "serve" },
  filetypes = { "python", "java", "javascript" },
  -- Any setting of the table in the README, for example: init_options = { completion = { max_lines = 1 } },
})
vim.lsp.enable("fimd")
vim.lsp.inline_completion.enable()

-- Tab takes the ghost text where there is some, and is a tab elsewhere.
vim.keymap.set("i", "<Tab>", function()
  return vim.lsp.inline_completion.get() and "" or "<Tab>"
end, { expr = true, desc = "Take fimd's suggestion" })
