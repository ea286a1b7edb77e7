--- Ghost text from a language model on this machine: `require("fimd").setup()`. See `:help fimd`.

local ghost = require("fimd.ghost")

local M = {}
local folder = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h:h:h")

---@class fimd.Options
local defaults = {
  cmd = { "fimd", "serve" },
  filetypes = { "python", "java", "javascript", "typescript", "c", "cpp", "go", "rust", "ruby", "lua", "sh" },
  --- Settings of the server, as in its README: for example { completion = { max_lines = 1 } }.
  settings = {},
  --- Keys in insert mode; false for none at all, or for one of them.
  keys = {
    accept = "<Tab>",
    accept_word = "<M-Right>",
    accept_line = "<M-Down>",
    next = "<M-]>",
    previous = "<M-[>",
    dismiss = "<C-]>",
    request = "<M-\\>",
  },
  --- "native" for Neovim's own inline completion, "own" for the plugin's; nil for what this Neovim has.
  ghost_text = nil,
}

---@type { phase: string, message: string, model: string }
M.report = { phase = "stopped", message = "not started", model = "" }

local function on_status(_, report)
  M.report = report
  vim.api.nvim_exec_autocmds("User", { pattern = "FimdStatus", data = report, modeline = false })
end

local function on_exit(code, signal)
  vim.schedule(function()
    local ended = ("ended with %s"):format(signal ~= 0 and ("signal " .. signal) or ("status " .. code))
    on_status(nil, { phase = "stopped", message = ended, model = M.report.model })
    if code ~= 0 or signal ~= 0 then
      vim.notify(("fimd %s: :Fimd start starts it again, :checkhealth fimd says more"):format(ended), vim.log.levels.WARN)
    end
  end)
end

--- What the options become for Neovim's LSP client.
function M.config(options)
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
  capabilities.experimental = vim.tbl_deep_extend("force", capabilities.experimental or {}, { fimd = { status = true } })
  return {
    cmd = options.cmd,
    filetypes = options.filetypes,
    init_options = next(options.settings) and options.settings or vim.empty_dict(),
    capabilities = capabilities,
    handlers = { ["fimd/status"] = function(_, report, context) on_status(context, report) end },
    on_attach = function(client, buffer) ghost.attach(client, buffer) end,
    on_exit = on_exit,
  }
end

--- Start the server with files of the given types, and map the keys.
---@param options? fimd.Options
function M.setup(options)
  options = vim.tbl_deep_extend("force", defaults, options or {})
  ghost.use(options.ghost_text)
  vim.lsp.config("fimd", M.config(options))
  vim.lsp.enable("fimd")
  if vim.fn.filereadable(folder .. "/doc/tags") == 0 then
    pcall(vim.cmd.helptags, folder .. "/doc") -- a folder that can't be written has no help
  end
  for action, key in pairs(options.keys or {}) do
    if key then
      M.map(action, key)
    end
  end
end

--- What a key did before: its own mapping, as far as that can be told, else the key itself.
local function usual(before, key)
  if before.callback then
    local keys = before.callback()
    return before.expr == 1 and keys or ""
  elseif before.rhs and before.rhs ~= "" then
    return before.expr == 1 and vim.api.nvim_eval(before.rhs) or before.rhs
  end
  return key
end

--- Map a key in insert mode to an action; where there is no ghost text, it does what it did before.
function M.map(action, key)
  local before = vim.fn.maparg(key, "i", false, true)
  local command = ("<Cmd>lua require('fimd.ghost').%s()<CR>"):format(action)
  vim.keymap.set("i", key, function()
    return (ghost.is_shown() or action == "request") and command or usual(before, key)
  end, { expr = true, desc = "fimd: " .. action:gsub("_", " ") })
end

--- The clients of this plugin that run.
function M.clients()
  return vim.lsp.get_clients({ name = "fimd" })
end

--- Send one of the server's commands, such as "fimd.toggle"; `done` gets what it answers.
function M.command(name, arguments, done)
  local client = M.clients()[1]
  if not client then
    vim.notify("fimd is not running: open a file that it serves, or :Fimd start", vim.log.levels.WARN)
    return
  end
  client:request("workspace/executeCommand", { command = name, arguments = arguments or {} }, function(failure, report)
    if failure then
      vim.notify("fimd: " .. failure.message, vim.log.levels.ERROR)
    elseif report then
      on_status(nil, report)
      if done then done(report) end
    end
  end)
end

local function say(report)
  vim.notify(("fimd: %s (%s)"):format(report.message, report.model))
end

local subcommands = {
  toggle = function(language) M.command("fimd.toggle", language and { language }, say) end,
  restart = function() M.command("fimd.restart", {}, say) end,
  model = function(name) M.command("fimd.selectModel", { name or "" }, say) end,
  status = function() M.command("fimd.status", {}, say) end,
  start = function()
    vim.lsp.enable("fimd", false)
    vim.schedule(function() vim.lsp.enable("fimd", true) end)
  end,
}

--- `:Fimd toggle [LANGUAGE]`, `restart`, `model NAME`, `status` or `start`.
function M.run(words)
  local act = subcommands[words[1] or "status"]
  if act then
    act(words[2])
  else
    vim.notify("fimd knows: " .. table.concat(M.subcommands(""), ", "), vim.log.levels.WARN)
  end
end

--- Names of subcommands that begin with `start`, in order.
function M.subcommands(start)
  local found = vim.tbl_filter(function(name) return vim.startswith(name, start) end, vim.tbl_keys(subcommands))
  table.sort(found)
  return found
end

--- A few characters for a statusline: `%{v:lua.require'fimd'.status()}`. Redraw it at `User FimdStatus`.
function M.status()
  local signs = { loading = "…", ready = "", busy = "…", off = " off", error = " !", stopped = " -" }
  return "fimd" .. (signs[M.report.phase] or "")
end

return M
