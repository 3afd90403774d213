# SPDX-License-Identifier: Apache-2.0
# Completion of berth for fish, as `berth completion fish` prints it. berth itself is asked what may follow.

function __berth_complete
    set -l given (commandline -opc)
    set -l current (commandline -ct)
    set -l program $given[1]
    set -e given[1]
    for line in ($program __complete -- $given "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end

complete -c berth -f -a '(__berth_complete)'
