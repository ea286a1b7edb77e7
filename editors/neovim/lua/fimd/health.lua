--- `:checkhealth fimd`

local M = {}

function M.check()
  local health = vim.health
  health.start("fimd")
  if not vim.lsp.config then
    health.error("Neovim 0.11 or newer is needed: this one has no vim.lsp.config")
    return
  end
  local draws = require("fimd.ghost").way() == "native" and "Neovim draws the ghost text itself" or "the plugin draws the ghost text"
  health.ok(draws)

  local config = vim.lsp.config.fimd
  local command = config and config.cmd or { "fimd" }
  if type(command) ~= "table" then
    health.ok("the server is one that runs already")
  elseif vim.fn.executable(command[1]) ~= 1 then
    health.error(("%s can't be run"):format(command[1]), 'put fimd on your PATH, or setup({ cmd = { "/path/to/fimd", "serve" } })')
    return
  else
    health.ok(("%s is %s"):format(command[1], vim.fn.exepath(command[1])))
  end
  if not config then
    health.warn("setup() has not been called", 'require("fimd").setup()')
    return
  end

  local clients = require("fimd").clients()
  local report = require("fimd").report
  if #clients == 0 then
    health.info("the server is not running: it starts with the first file of these types: " .. table.concat(config.filetypes, ", "))
  elseif report.phase == "error" then
    health.error(report.message, "fimd doctor says more")
  else
    health.ok(("the server runs, %s: %s"):format(report.model, report.message))
  end
end

return M
