-- `:Fimd` and the <Plug> maps, for those who map keys themselves; nothing starts before `setup()`.

if vim.g.loaded_fimd then
  return
end
vim.g.loaded_fimd = true

vim.api.nvim_create_user_command("Fimd", function(given) require("fimd").run(given.fargs) end, {
  nargs = "*",
  complete = function(start, line)
    return #vim.split(line, "%s+") <= 2 and require("fimd").subcommands(start) or {}
  end,
  desc = "fimd: toggle, restart, model, status, start",
})

for _, action in ipairs({ "accept", "accept_word", "accept_line", "next", "previous", "dismiss", "request" }) do
  vim.keymap.set("i", ("<Plug>(fimd-%s)"):format(action:gsub("_", "-")), function() require("fimd.ghost")[action]() end)
end
