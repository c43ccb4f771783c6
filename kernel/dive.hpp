// A discrete plan for one deadline by diving: fix the operation that is nearest to one of its options, re-optimise all
// others around it, and go on until no operation lies between two options.
//
// Re-optimisation is the primal network simplex method, started from the optimal tree: fixing an operation changes the
// length of one arc, and only arcs whose events left their window are pivoted on.
#pragma once

#include <cmath>

#include "rounding.hpp"
#include "sweep.hpp"

namespace joulewise {

class Dive {
public:
    // `network` is the state of a sweep whose last step crossed the deadline; `entered` is the arc that it made basic
    // and `entered_level` the level at which that arc was nonbasic before, or -1 for a deadline at T_min.
    Dive(const Network& network, const PlanGraph& graph, Int price, Int deadline, const std::vector<Int>& event,
         Index entered, Index entered_level)
        : net_(network), graph_(graph) {
        net_.time = event;
        const Index back = net_.back;
        net_.durations[net_.points_at[back]] = -deadline;
        net_.flow[back] = price;
        if (entered_level < 0) {
            net_.level[back] = kBetween;
            net_.window[back] = {-deadline, -deadline};
        } else {
            const Index v = net_.above[net_.head[entered]] == entered ? net_.head[entered] : net_.tail[entered];
            net_.make_nonbasic(entered, entered_level);
            net_.cut(v);
            net_.make_basic(back, 0);
            net_.hang(net_.sink, net_.source, back);
        }
        fixed_.assign(net_.operations, 0);
    }

    // False if the simplex method did not settle within its allowance or time is up; `plan` is then not usable.
    //
    // `caution` weighs how far an operation is moved, at the present price of time, against what it costs there: small
    // values trust that the others will find a use for the time.
    template <class Enough>
    bool run(std::vector<Choice>& plan, double caution, const Enough& enough) {
        for (;;) {
            if (enough(kInfinite)) return false;
            Candidate best;
            for (Index i = 0; i < net_.operations; ++i)
                if (!fixed_[i]) consider(i, caution, best);
            if (best.operation < 0) break;
            if (!fix(best.operation, best.option)) return false;
        }
        for (Index i = 0; i < net_.operations; ++i)
            plan[i] = static_cast<Choice>(std::max<Index>(0, graph_.slowest(i, net_.apart(i))));
        return true;
    }

private:
    static constexpr Index kBetween = -1;  // nonbasic with a flow between its bounds: its window is one point
    struct Candidate {
        Index operation = -1, option = -1;
        double score = 0;
    };
    Network net_;
    const PlanGraph& graph_;
    Int pivots_ = 0;
    std::vector<std::uint8_t> fixed_;
    std::vector<Index> queue_, part_;

    // The option that suits operation i best, if it lies between two.
    void consider(Index i, double caution, Candidate& best) const {
        const Int apart = net_.apart(i);
        const Index down = graph_.slowest(i, apart);
        if (down + 1 >= graph_.count(i) || (down >= 0 && graph_.time(i, down) == apart)) return;
        const Index j = net_.level[i];
        const Index fastest = graph_.slowest(i, net_.d(i, j - 1)), slowest = graph_.slowest(i, net_.d(i, j));
        const double price = static_cast<double>(net_.flow[i]) * kCostPerTick;
        const auto value = [&](Index k) {
            return static_cast<double>(graph_.cost(i, k)) + price * static_cast<double>(graph_.time(i, k));
        };
        double least = value(fastest);
        for (Index k = fastest + 1; k <= slowest; ++k) least = std::min(least, value(k));
        for (Index k = fastest; k <= slowest; ++k) {
            const double moved = std::abs(static_cast<double>(graph_.time(i, k) - apart));
            const double score = value(k) - least + caution * price * moved;
            if (best.operation < 0 || score < best.score) best = {i, k, score};
        }
    }

    // Give operation i exactly the time of option k and restore optimality. A slower option that cannot be afforded
    // falls back to the next faster one.
    bool fix(Index i, Index k) {
        fixed_[i] = 1;
        const Int allowance = pivots_ + 200 + 4 * static_cast<Int>(net_.nodes);
        for (; k >= 0; --k) {
            set_length(i, graph_.time(i, k));
            queue_.push_back(i);
            bool affordable = true;
            while (affordable && !queue_.empty()) {
                const Index a = queue_.back();
                queue_.pop_back();
                while (affordable && strained(a)) affordable = pivot(a);
                if (!affordable) queue_.push_back(a);
                if (pivots_ > allowance) return false;
            }
            if (affordable) return true;
        }
        return false;
    }

    void set_length(Index a, Int length) {
        const bool basic = in_tree(a);
        net_.last[a] = 0;
        net_.durations[net_.points_at[a]] = length;
        net_.slopes[net_.points_at[a] + a] = kInfinite;
        net_.slopes[net_.points_at[a] + a + 1] = 0;
        if (basic) {
            net_.level[a] = 0;
            exchange(net_.above[net_.head[a]] == a ? net_.head[a] : net_.tail[a], a, length);
        } else if (net_.flow[a] == 0) {
            net_.make_nonbasic(a, 1);
        } else {
            net_.level[a] = kBetween;
            net_.window[a] = {length, length};
        }
    }

    bool in_tree(Index a) const { return net_.above[net_.head[a]] == a || net_.above[net_.tail[a]] == a; }

    bool strained(Index a) const {
        if (in_tree(a)) return false;
        const Int apart = net_.apart(a);
        return apart < net_.window[a].low || apart > net_.window[a].high;
    }

    // One primal pivot on a nonbasic arc whose events left its window. False if time cannot be found anywhere.
    bool pivot(Index a) {
        ++pivots_;
        const bool more = net_.apart(a) < net_.window[a].low;
        const Index j = net_.level[a];
        Int push = more ? kInfinite : net_.flow[a];
        if (j != kBetween && more && j > 1) push = net_.s(a, j - 1) - net_.flow[a];
        if (j != kBetween && !more) push = net_.flow[a] - net_.s(a, j + 1);
        // The cycle: along the arc, then from its head back to its tail through the tree (or all of it reversed).
        const Index from = more ? net_.head[a] : net_.tail[a], to = more ? net_.tail[a] : net_.head[a];
        Index leaving = -1, meet = from;
        for (Index v = to; v >= 0; v = net_.parent[v]) net_.marked[v] = 1;
        while (!net_.marked[meet]) meet = net_.parent[meet];
        for (Index v = to; v >= 0; v = net_.parent[v]) net_.marked[v] = 0;
        bool away_side = false;
        for (Index v = from; v != meet; v = net_.parent[v])
            if (const Int room = net_.room(v, false); room < push) push = room, leaving = v, away_side = false;
        for (Index v = to; v != meet; v = net_.parent[v])
            if (const Int room = net_.room(v, true); room < push) push = room, leaving = v, away_side = true;
        if (push >= kInfinite) return false;
        if (push > 0) {
            net_.flow[a] += more ? push : -push;
            for (Index v = from; v != meet; v = net_.parent[v]) add_flow(v, false, push);
            for (Index v = to; v != meet; v = net_.parent[v]) add_flow(v, true, push);
        }
        if (leaving < 0) {  // the arc itself reached the next level
            net_.make_nonbasic(a, j == kBetween ? 1 : (more ? j - 1 : j + 1));
            return true;
        }
        const Index out_arc = net_.above[leaving];
        const bool rose = (net_.head[out_arc] == leaving) == away_side;
        net_.make_nonbasic(out_arc, net_.level[out_arc] + (rose ? 0 : 1));
        const Int target = more ? net_.window[a].low : net_.window[a].high;
        exchange(leaving, a, target);
        net_.make_basic(a, j == kBetween ? 0 : (more ? j - 1 : j));
        return true;
    }

    void add_flow(Index v, bool away, Int push) {
        const Index b = net_.above[v];
        net_.flow[b] += (net_.head[b] == v) == away ? push : -push;
    }

    // The part below `leaving` is cut off and hung up again by arc a, whose events come to be `target` apart.
    void exchange(Index leaving, Index a, Int target) {
        const bool smaller_below = 2 * net_.cut(leaving) <= net_.nodes;
        net_.mark(leaving, part_);
        const bool head_below = net_.marked[net_.head[a]];
        const Index inner = head_below ? net_.head[a] : net_.tail[a], outer = head_below ? net_.tail[a] : net_.head[a];
        for (const Index v : part_) net_.marked[v] = 0;
        Int shift = head_below ? target - net_.apart(a) : net_.apart(a) - target;
        if (!smaller_below) {
            Index root = outer;
            while (net_.parent[root] >= 0) root = net_.parent[root];
            net_.mark(root, part_);
            shift = -shift;
        } else {
            net_.mark(leaving, part_);
        }
        for (const Index v : part_) net_.time[v] += shift;
        for (const Index v : part_)
            for (Index k = net_.incidence_first[v]; k < net_.incidence_first[v + 1]; ++k)
                if (!net_.marked[net_.neighbour[k]] && net_.through[k] / 2 != a && strained(net_.through[k] / 2))
                    queue_.push_back(net_.through[k] / 2);
        for (const Index v : part_) net_.marked[v] = 0;
        net_.hang(inner, outer, a);
    }
};

}  // namespace joulewise
