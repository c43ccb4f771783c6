// From event times of the relaxation to real settings.
//
// Every operation has options (time, cost) sorted by time, each slower one cheaper. A plan picks one option per
// operation. `fill` hands slack out in one pass: with the latest finish of every operation known, each operation in
// execution order takes its slowest option that still fits, or the mirror image of that from the end.
#pragma once

#include <algorithm>

#include "network.hpp"

namespace joulewise {

using Choice = std::int16_t;

// Options of all kinds of operation: kind c owns entries first[c] .. first[c+1]-1, times rising, costs falling.
// A cost tick is a time tick times a flow tick times 2^30.
constexpr double kCostPerTick = 1.0 / (1 << 30);
struct Options {
    std::vector<Index> first;
    std::vector<Int> time, cost;
};

// The plan graph without events: operations in topological order, with predecessors and successors.
class PlanGraph {
public:
    PlanGraph(const std::vector<Index>& kind, const std::vector<Index>& edges, const Options& options)
        : kind_(kind), options_(options), n_(static_cast<Index>(kind.size())) {
        fill_adjacency(edges, true, after_first_, after_);
        fill_adjacency(edges, false, before_first_, before_);
        first_.resize(n_);
        count_.resize(n_);
        for (Index i = 0; i < n_; ++i) {
            first_[i] = options.first[kind[i]];
            count_[i] = options.first[kind[i] + 1] - first_[i];
        }
        bound_.resize(n_);
    }

    Index size() const { return n_; }
    Index count(Index i) const { return count_[i]; }
    Int time(Index i, Index k) const { return options_.time[first_[i] + k]; }
    Int cost(Index i, Index k) const { return options_.cost[first_[i] + k]; }

    // The slowest option of operation i that takes at most `room`, or -1.
    Index slowest(Index i, Int room) const {
        const auto from = options_.time.begin() + first_[i];
        return static_cast<Index>(std::upper_bound(from, from + count_[i], room) - from) - 1;
    }
    Int total(const std::vector<Choice>& plan) const {
        Int sum = 0;
        for (Index i = 0; i < n_; ++i) sum += cost(i, plan[i]);
        return sum;
    }
    Int makespan(const std::vector<Choice>& plan) {
        ends(plan, bound_);
        return longest_;
    }

    // Earliest ends; operations are stored in topological order.
    void ends(const std::vector<Choice>& plan, std::vector<Int>& end) {
        longest_ = 0;
        for (Index i = 0; i < n_; ++i) {
            end[i] = start(i, end) + time(i, plan[i]);
            longest_ = std::max(longest_, end[i]);
        }
    }
    // Latest starts for a deadline.
    void latest(const std::vector<Choice>& plan, Int deadline, std::vector<Int>& begin) const {
        for (Index i = n_ - 1; i >= 0; --i) begin[i] = finish(i, begin, deadline) - time(i, plan[i]);
    }
    Int start(Index i, const std::vector<Int>& end) const {
        Int t = 0;
        for (Index k = before_first_[i]; k < before_first_[i + 1]; ++k) t = std::max(t, end[before_[k]]);
        return t;
    }
    Int finish(Index i, const std::vector<Int>& begin, Int deadline) const {
        Int t = deadline;
        for (Index k = after_first_[i]; k < after_first_[i + 1]; ++k) t = std::min(t, begin[after_[k]]);
        return t;
    }

    // Slow operations down into slack, in execution order or against it, but not `frozen`. The plan must meet the
    // deadline.
    void fill(std::vector<Choice>& plan, Int deadline, bool in_order, Index frozen = -1) {
        if (in_order) {
            latest(plan, deadline, bound_);
            for (Index i = 0; i < n_; ++i) {
                const Int room = bound_[i] + time(i, plan[i]), begin = start_after(i);
                if (i != frozen) plan[i] = static_cast<Choice>(std::max<Index>(plan[i], slowest(i, room - begin)));
                bound_[i] = begin + time(i, plan[i]);
            }
        } else {
            ends(plan, bound_);
            for (Index i = n_ - 1; i >= 0; --i) {
                const Int begin = bound_[i] - time(i, plan[i]), end = finish(i, bound_, deadline);
                if (i != frozen) plan[i] = static_cast<Choice>(std::max<Index>(plan[i], slowest(i, end - begin)));
                bound_[i] = end - time(i, plan[i]);
            }
        }
    }

    // Operation i takes its slowest option within its own window of the relaxation.
    void round_windows(const std::vector<Int>& event, std::vector<Choice>& plan) const {
        for (Index i = 0; i < n_; ++i)
            plan[i] = static_cast<Choice>(std::max<Index>(0, slowest(i, event[2 * i + 1] - event[2 * i])));
    }
    // The same with error diffusion: what an operation does not use goes to those after it (or before it).
    void diffuse(const std::vector<Int>& event, std::vector<Choice>& plan, bool in_order) {
        for (Index q = 0; q < n_; ++q) {
            const Index i = in_order ? q : n_ - 1 - q;
            const Int end = in_order ? event[2 * i + 1] : finish(i, bound_, event[2 * n_ + 1]);
            const Int begin = in_order ? start_after(i) : event[2 * i];
            plan[i] = static_cast<Choice>(std::max<Index>(0, slowest(i, end - begin)));
            bound_[i] = in_order ? begin + time(i, plan[i]) : end - time(i, plan[i]);
        }
    }

    // The best of the above for one deadline.
    void round(const std::vector<Int>& event, Int deadline, std::vector<Choice>& best) {
        std::vector<Choice> plan(n_);
        Int least = kInfinite;
        for (int way = 0; way < 3; ++way) {
            if (way == 0)
                round_windows(event, plan);
            else
                diffuse(event, plan, way == 1);
            fill(plan, deadline, way != 1);
            fill(plan, deadline, way == 1);
            const Int cost = total(plan);
            if (cost < least) least = cost, best = plan;
        }
    }

    // Local search: make one operation faster and let the others use the time, for as long as that pays.
    template <class Enough>
    void improve(std::vector<Choice>& plan, Int deadline, Int visits, const Enough& enough) {
        std::vector<Choice> trial;
        Int cost = total(plan);
        for (Index since = 0, i = 0; since < n_ && visits > 0; i = i + 1 < n_ ? i + 1 : 0, ++since) {
            if (enough(cost)) return;
            for (Index way = 0; way < 6 && way / 2 < plan[i]; ++way) {
                trial = plan;
                trial[i] = static_cast<Choice>(plan[i] - 1 - way / 2);
                fill(trial, deadline, way % 2 == 0, i);
                fill(trial, deadline, way % 2 == 1);
                visits -= n_;
                const Int now = total(trial);
                if (now >= cost) continue;
                cost = now;
                plan.swap(trial);
                since = 0;
                break;
            }
        }
    }

private:
    std::vector<Index> kind_;
    const Options& options_;
    Index n_;
    Int longest_ = 0;
    std::vector<Index> after_first_, after_, before_first_, before_, first_, count_;
    std::vector<Int> bound_;

    Int start_after(Index i) const { return start(i, bound_); }
    void fill_adjacency(const std::vector<Index>& edges, bool after, std::vector<Index>& first, std::vector<Index>& list) {
        const std::size_t from = after ? 0 : 1;
        first.assign(n_ + 1, 0);
        for (std::size_t e = 0; e < edges.size(); e += 2) ++first[edges[e + from] + 1];
        for (Index i = 0; i < n_; ++i) first[i + 1] += first[i];
        list.resize(edges.size() / 2);
        std::vector<Index> next(first.begin(), first.end() - 1);
        for (std::size_t e = 0; e < edges.size(); e += 2) list[next[edges[e + from]]++] = edges[e + 1 - from];
    }
};

}  // namespace joulewise
