// Plans made of two: the beginning of one and the rest of another.
//
// Where settings lie far apart, all operations of a slot must change together, and rounding one deadline on its own
// finds such plans badly. But two good plans for neighbouring deadlines, the one fast and the other slow, give a series
// of plans in between: the operations up to some place, in execution order, from the one, those after it from the other.
#pragma once

#include <cstddef>

#include "rounding.hpp"

namespace joulewise {

// Improve plans (one row per deadline, deadlines falling) that cost more than `spare` above the line between the two
// best plans around them.
template <class Poll>
void splice(PlanGraph& graph, const std::vector<Int>& deadlines, std::vector<Choice>& plans, Int spare, const Poll& poll) {
    const std::size_t n = graph.size(), count = deadlines.size();
    const auto row = [&](std::size_t k) { return plans.begin() + static_cast<std::ptrdiff_t>(k * n); };
    std::vector<Choice> fast(n), slow(n), trial(n), best(n);
    std::vector<double> cost(count);
    for (std::size_t k = 0; k < count; ++k) {
        std::copy_n(row(k), n, trial.begin());
        cost[k] = static_cast<double>(graph.total(trial));
    }
    std::vector<std::size_t> hull;  // of (deadline, cost), slowest first
    const auto above = [&](std::size_t k, std::size_t a, std::size_t b) {  // how far k lies above the line from a to b
        const double share = static_cast<double>(deadlines[a] - deadlines[k]) / static_cast<double>(deadlines[a] - deadlines[b]);
        return cost[k] - (cost[a] + share * (cost[b] - cost[a]));
    };
    for (std::size_t k = 0; k < count; ++k) {
        if (!hull.empty() && deadlines[hull.back()] == deadlines[k]) continue;
        while (hull.size() > 1 && above(hull.back(), hull[hull.size() - 2], k) >= 0) hull.pop_back();
        hull.push_back(k);
    }
    for (std::size_t h = 0; h + 1 < hull.size(); ++h) {
        std::copy_n(row(hull[h]), n, slow.begin());
        std::copy_n(row(hull[h + 1]), n, fast.begin());
        for (std::size_t k = hull[h] + 1; k < hull[h + 1]; ++k) {
            if (deadlines[k] == deadlines[hull[h]] || above(k, hull[h], hull[h + 1]) <= static_cast<double>(spare)) continue;
            poll();
            Int least = static_cast<Int>(cost[k]);
            for (const bool slow_first : {true, false}) {
                const auto &front = slow_first ? slow : fast, &rest = slow_first ? fast : slow;
                const auto join = [&](std::size_t at) {
                    std::copy(front.begin(), front.begin() + static_cast<std::ptrdiff_t>(at), trial.begin());
                    std::copy(rest.begin() + static_cast<std::ptrdiff_t>(at), rest.end(), trial.begin() + static_cast<std::ptrdiff_t>(at));
                    return graph.makespan(trial) <= deadlines[k];
                };
                std::size_t meets = slow_first ? 0 : n, fails = slow_first ? n : 0;  // the fast plan meets every deadline here
                while (meets + 1 != fails && fails + 1 != meets) {
                    const std::size_t middle = (meets + fails) / 2;
                    (join(middle) ? meets : fails) = middle;
                }
                if (!join(meets)) continue;
                graph.fill(trial, deadlines[k], slow_first);
                graph.fill(trial, deadlines[k], !slow_first);
                if (const Int now = graph.total(trial); now < least) least = now, best = trial;
            }
            if (least < static_cast<Int>(cost[k])) std::copy(best.begin(), best.end(), row(k));
        }
    }
}

}  // namespace joulewise
